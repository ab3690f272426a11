"""Speed and memory on this machine: ours and a peer in turn in one run, with the machine's own limits beside them."""
