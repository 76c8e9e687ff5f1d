"""PolyVM's control plane: bundles in, invocations through the VMs, results and figures out."""
