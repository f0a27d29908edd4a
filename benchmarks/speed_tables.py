"""What `projection.py`, `ingest.py`, `matching.py`, `scaling.py`, `cache.py` and `gpu.py` measured, and what
`cost_model.py` counts, as tables."""

from __future__ import annotations

from collections.abc import Mapping

import cost_model
from cost_units import Plan
from origin import origin
from results import Line, lines_of, table, whole

PROJECTED = "projection.json"
WAYS = {
    "decoding alone (simplejpeg)": "decoding alone",
    "grid rebuilt per image, grid_sample": "rebuilt",
    "grid_sample": "grid_sample",
    "py360convert": "py360convert",
    "kornia remap": "kornia",
    "equilib": "equilib",
}
SPEEDS = ("in_process_images_per_s", "pipeline_images_per_s")
MATCHED = {
    "ours in float32": "ours in float32",
    "product in bfloat16": "bare product",
    "product in bfloat16, 32 columns more": "the same, padded",
    "product in float32": "bare product in float32",
    "faiss IndexFlatIP, both ways": "faiss, both ways",
    "kornia match_mnn": "kornia",
    "two dense matrices, numpy": "two dense matrices",
}
PARTLY = {"faiss, a tenth of the queries": 10, "faiss, a hundredth of the queries": 100}
"""What was run on a share of the queries, and how many shares make the whole."""
SIZES = {
    "peers 12k": "12,288 x 10,584 x 1024 (`peers`)",
    "large 50k": "50,000 x 50,000 x 1024 (`large`)",
    "vigor seconds": "105,214 x 90,618 x 1024 (`vigor`)",
    "wide d4096": "8,192 x 28,224 x 4096 (`wide`)",
    "wide d8192": "8,192 x 28,224 x 8192 (`wide`)",
}


def projection() -> str:
    """Panorama to bird's-eye view: ours in milliseconds, others as multiples of it."""
    told, groups = whole(PROJECTED), {}
    for line in whole(PROJECTED)["lines"]:
        groups.setdefault((line["set"], line["to"]), {})[line["way"]] = line
    rows = []
    for (images, to), ways in groups.items():
        if to.startswith("BEV"):
            ours = ways["ucvgl"]
            ratios = [f"{ways[way]['ms'] / ours['ms']:.2f}" for way in WAYS]
            rows.append([images, to.removeprefix("BEV "), f"{ours['ms']:.1f}", f"{ours['psnr_db']:.1f}", *ratios])
    heading = ["panoramas", "BEV", "ucvgl ms", "PSNR dB", *WAYS.values()]
    return f"{table(heading, rows)}\n\n{origin(PROJECTED, [told])}"


def ingest(file: str = "ingest.jsonl") -> str:
    """Every run, from the store to images at network size."""
    lines = lines_of(file)
    heading = ["from", "images", "height", "workers", "one process, images/s", "Ray Data, images/s", "by the clock"]
    heading += ["by processor time", "peak memory, MB", "stored", "listed as broken"]
    rows = []
    for line in lines:
        speeds = [f"{line[name]:.0f}" if name in line else "" for name in SPEEDS]
        shares = [f"{line[name]:.2f}" if name in line else "" for name in ("efficiency", "cpu_efficiency")]
        about = [line["store"], f"{line['images']:,}", str(line["height"]), str(line["workers"])]
        rows.append([*about, *speeds, *shares, f"{line['peak_mb']:.0f}", f"{line['stored']:,}", str(line["rejected"])])
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def matching(file: str = "matching.jsonl") -> str:
    """The last line of every part: CPU seconds of ours, others as multiples of it."""
    last = {line["part"]: line for line in lines_of(file)}
    rows = []
    for name, shown in SIZES.items():
        part, case = name.split()
        seconds = last[part][case]
        ratio = {MATCHED[way]: f"{seconds[way] / seconds['ours']:.2f}" for way in MATCHED if way in seconds}
        for way, times in PARTLY.items():
            if way in seconds:
                ratio["faiss, both ways"] = f"{times * seconds[way] / seconds['ours']:.0f}"
        ratios = [ratio.get(way, "") for way in MATCHED.values()]
        cost = f"{seconds['ours'] / min(seconds[way] for way in seconds if 'bfloat16' in way):.2f}"
        rows.append([shown, f"{seconds['ours']:.1f}", *ratios, cost])
    wrong = sum(last["exact"]["differences"].values())
    words = (
        f"CPU seconds of ours, the others as multiples of it; the last column is ours as a multiple of the faster bare "
        f"product. Of faiss a tenth of the queries was run at 50,000, a hundredth at VIGOR's size. Labels unlike those "
        f"of float64 over {len(last['exact']['differences'])} regimes: {wrong or 'none'}. "
        f"Memory at VIGOR's size: {last['vigor']['peak_bytes'] / 1e9:.2f} GB at most, of which "
        f"{last['vigor']['vector_bytes'] / 1e9:.2f} GB are the vectors."
    )
    heading = ["n x m x d (`--parts`)", "ours, CPU s", *MATCHED.values(), "ours of the product"]
    parts = {name.split()[0] for name in SIZES} | {"exact"}
    return f"{table(heading, rows)}\n\n{words} {origin(file, [last[part] for part in sorted(parts)])}"


def evaluated(file: str = "matching.jsonl") -> str:
    """The last evaluation of CVACT's size beside the products that it needs."""
    line = [line for line in lines_of(file) if line["part"] == "evaluated"][-1]
    bare = next(name for name in line["cpu"] if name != "ours")
    asked = f"{line['queries']:,} queries x ({line['references']:,} tiles + {line['decoys']:,} decoys) x 1024"
    rows = []
    for clock, shown in (("cpu", "CPU s"), ("wall", "s by the clock")):
        ours, product = line[clock]["ours"], 8 * line[clock][bare]
        rows.append([asked, shown, f"{ours:.0f}", f"{product:.0f}", f"{ours / product:.2f}"])
    heading = ["size", "in", "ours", "8 x the product of an eighth of the queries", "ours of the product"]
    return f"{table(heading, rows)}\n\n{origin(file, [line])}"


def halved(file: str = "matching.jsonl") -> str:
    """What storing descriptors in float16 would change."""
    line = [line for line in lines_of(file) if line["part"] == "halved"][-1]
    heading = ["of 8,192 queries", "changed"]
    rows = [[name, str(count)] for name, count in line["changed"].items()]
    seconds, read = line["seconds"], line["seconds"]["read float16"] - line["seconds"]["read float32"]
    words = f"Reading float16 takes {read / seconds['match']:.1%} of the match's processor time more."
    return f"{table(heading, rows)}\n\n{words} {origin(file, [line])}"


def memory(file: str = "scaling.json") -> str:
    """Peak memory of a batch at once and in parts."""
    told, peaks = whole(file), {}
    for line in told["memory"]:
        peaks.setdefault(line["batch"], {})[line["images_at_once"]] = str(line["peak_mb"])
    parts = list(dict.fromkeys(line["images_at_once"] for line in told["memory"]))
    heading = ["batch", *(f"{part} images at a time, MB" if part else "all at once, MB" for part in parts)]
    rows = [[str(batch), *(peak[part] for part in parts)] for batch, peak in peaks.items()]
    return f"{table(heading, rows)}\n\n{origin(file, told['memory'])}"


def same(file: str = "scaling.json") -> str:
    """What workers and parts change in losses and weights."""
    told, by_workers = whole(file), {}
    for line in told["same"]:
        by_workers.setdefault(line["workers"], {})[line["case"]] = f"{line['loss']:.0e}, {line['weights']:.0e}"
    cases = list(dict.fromkeys(line["case"] for line in told["same"]))
    heading = ["workers", *(f"{case}: losses, weights" for case in cases)]
    rows = [[str(workers), *(some[case] for case in cases)] for workers, some in by_workers.items()]
    return f"{table(heading, rows)}\n\n{origin(file, told['same'])}"


def overhead(file: str = "scaling.json") -> str:
    """Images/s of training relative to a bare loop."""
    told = whole(file)
    rows = []
    for name, rates in told.items():
        if name.startswith("overhead"):
            what = "ConvNeXt-atto, 384 x 384" if name.startswith("overhead_384") else "the demo's"
            ray = next(rate for way, rate in rates.items() if way.startswith("Ray Train"))
            shares = rates["bare loop"], rates["our loop"], ray
            rows.append([what, name.split()[1], *(f"{share:.3f}" for share in shares)])
    heading = ["encoders", "cores", "bare loop", "our loop, in one process", "Ray Train, a worker per core"]
    lines = [rates for name, rates in told.items() if name.startswith("overhead")]
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def cache(file: str = "cache.jsonl") -> str:
    """What a machine fetches in two epochs, and how long its steps wait."""
    lines = lines_of(file)
    heading = ["the cache holds, of the store", "fetched in the first epoch, of the store", "in the second"]
    heading += ["a step waited, s, in the first", "in the second", "s until the first"]
    rows = []
    for line in lines:
        fetched = [f"{epoch['fetched_bytes'] / line['store_bytes']:.3f}" for epoch in line["epochs"]]
        waited = [f"{epoch['waited_s'] / epoch['steps']:.3f}" for epoch in line["epochs"]]
        rows.append([f"{line['cache_percent']:.0f} %", *fetched, *waited, f"{line['opened_s']:.0f}"])
    return f"{table(heading, rows)}\n\n{origin(file, lines)}"


def graphics_card(file: str = "gpu.json") -> str:
    """The real training loops on a card, and matching there."""
    told = whole(file)
    loops = {"loop_small_224": "ConvNeXt-S, 224 x 448 and 224 x 224 (`folder`)", "loop_demo": "the demo's network"}
    rows = []
    for count, step in told["training_base_384"]["by_rows_at_once"].items():
        about = ["ConvNeXt-B, 384 x 384 (`cvusa`, `cvact`), bare step", "all" if count == "0" else count]
        if step["peak_gb"] is None:
            rows.append([*about, "more than there is", "", "", ""])
            continue
        speed = [f"{step['step_ms']:.1f}", f"{step['images_per_s']:.0f}", f"{100 * step['mfu']:.1f} %"]
        rows.append([*about, f"{step['peak_gb']:.1f}", *speed])
    for name, shown in loops.items():
        loop, images = told[name], told[name]["last_log_row"]["images_per_s"]
        numbers = [f"{loop['peak_gb']:.1f}", f"{loop['step_ms']:.1f}", f"{images:,.0f}", ""]
        rows.append([f"{shown}, real loop from disk", "all", *numbers])
    heading = ["training", "images at a time", "peak memory, GB", "ms a step", "images/s", "share of 989 TFLOP/s"]
    match = told["matching_1024"]
    sizes = " x ".join(f"{size:,}" for size in match["shape"])
    words = (
        f"Matching {sizes} takes {match['ours_s']:.1f} s; the bare product {match['bare_product_s']:.2f} s, and with "
        f"`topk` both ways (not exact) {match['product_and_topk_s']:.2f} s."
    )
    card: Mapping[str, str] = told["machine"]
    line: Line = told | {"machine": f"{card['card']}, {card['cpus']} cores, PyTorch {card['torch']}"}
    return f"{table(heading, rows)}\n\n{words} {origin(file, [line])}"


def second_card(file: str = "gpu_h200.json") -> str:
    """What a second run on another card was asked: sections of `gpu.py` that the first had no time for."""
    told = whole(file)
    loop, norms, wide = told["loop_base_384"], told["norms"], told["matching_8192"]
    compiled, rate = told["compiled_blocks"], told["input"]
    heading = ["what", "measured", "beside"]
    rows = [
        ["ConvNeXt-B, 384 x 384, real loop from disk, all 2 x 128 images at once",
         f"{loop['last_log_row']['images_per_s']:.0f} images/s, {loop['peak_gb']:.1f} GB, "
         f"{100 * loop['last_log_row']['data_wait']:.1f} % waiting", loop["beside"]],
        *([f"bare step of it, 64 images at a time, layer norms in {name}" if name == "float32" else
           "the same, layer norms as products are made",
           f"{row['step_ms']:.0f} ms, {row['images_per_s']:.0f} images/s, {row['peak_gb']:.1f} GB", norms["beside"]]
          for name, row in norms.items() if isinstance(row, Mapping)),
        ["the same through `torch.compile`, block by block",
         f"{compiled['64 rows']['step_ms']:.0f} ms, {compiled['64 rows']['compile_s']:.0f} s to compile",
         compiled["beside"]],
        *([f"CycleGAN of `cvact`, {name}", f"{row['step_ms']:.0f} ms a step, {row['peak_gb']:.1f} GB",
           told["cyclegan"]["beside"]] for name, row in told["cyclegan"].items() if isinstance(row, Mapping)),
        [f"matching {' x '.join(f'{size:,}' for size in wide['shape'])}, pairs gathered on the host",
         f"{wide['ours_s']:.1f} s; bare product {wide['bare_product_s']:.2f} s", wide["beside"]],
        ["JPEG of 2048 x 1024 to network input and bird's-eye view, 16 processes",
         f"{rate['panoramas_per_s']:,.0f} panoramas/s, {rate['tiles_per_s']:,.0f} tiles/s", "nothing"],
    ]  # fmt: skip
    card = told["machine"]
    line: Line = card | {"machine": f"{card['card']}, {card['cpus']} cores, PyTorch {card['torch']}"}
    return f"{table(heading, rows)}\n\n{origin(file, [line])}"


def card_again(file: str = "gpu_h200_ray.json", before: str = "gpu_h200.json") -> str:
    """What the second card said of what had been changed for it, and of a whole run on Ray."""
    told, earlier = whole(file), whole(before)
    wide, old, run = told["matching_8192"], earlier["matching_8192"], told["demo"]
    spent, verified = run["stage_s"], run["verify_s"]
    size = " x ".join(f"{side:,}" for side in told["whitening"]["shape"])
    rows = [
        [f"matching {' x '.join(f'{side:,}' for side in wide['shape'])}, pairs scored on the card",
         f"{wide['ours_s']:.1f} s, {old['ours_s']:.1f} before; bare product {wide['bare_product_s']:.2f} s"],
        [f"whitening found from {size} numbers",
         f"{told['whitening']['ours_s']:.1f} s; off a processor's by {told['whitening']['off_by']:.0e}"],
        ["the demo on Ray, a worker with the card: rendering, projection, cold start, four rounds",
         ", ".join(f"{spent[name]:.0f}" for name in ("1_catalog", "2_project", "4_cold_start", "5_curriculum")) + " s"],
        ["of its rounds, verification over poses, pair by pair", f"{sum(verified):.0f} s"],
        ["its R@1 after the cold start, round 1, round 2",
         ", ".join(f"{100 * found:.1f}" for found in run["round_r1"])],
    ]  # fmt: skip
    card = told["machine"]
    line: Line = card | {"machine": f"{card['card']}, {card['cpus']} cores, PyTorch {card['torch']}"}
    return f"{table(['what', 'measured'], rows)}\n\n{origin(file, [line])}"


def cost(**plan: str) -> str:
    """The cost model's table; it runs nothing."""
    numbers = {name: float(value) if "." in value else int(value) for name, value in plan.items()}
    return cost_model.table(Plan(**numbers))  # pyright: ignore
