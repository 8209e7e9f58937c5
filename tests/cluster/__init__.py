"""Real processes, real disks, real faults. One ensemble per module; tests wait for conditions, never for times."""
