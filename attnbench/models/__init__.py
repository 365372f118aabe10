"""Models: from a batch of source and target tokens to logits.

Shapes are written beside the lines at which they change:

    B  batch                 H  hidden size
    S  source_len            V  vocabulary of the target
    T  target_len            N  heads, and D = H / N numbers for each
    E  embedding size        M  memory_len: what a context reads, S or less
"""
