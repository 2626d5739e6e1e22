"""The fault harness: kills, full disks, locks, damage and hostile files, for as long as one likes (`make soak`).

A kind of fault is a function of a `Trial`, in a file with others of its family; `__main__` tries every kind again and again until
its share of the time is used. All that is random is drawn from the printed seed.
"""
