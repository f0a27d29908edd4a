"""The only package that imports Ray: it carries core functions to where the images and the machines are."""
