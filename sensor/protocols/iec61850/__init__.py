"""What GOOSE and Sampled Values have in common: the frame, BER walked for all frames at once, and counters followed from frame to frame."""
