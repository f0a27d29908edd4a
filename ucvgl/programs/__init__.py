"""What all workers of a job do together beside training: one pass over images or descriptors; knows no Ray."""
