"""What it would take: FLOPs, memory, hours, disk and energy of what is still to do, from closed forms and rates. No torch."""
