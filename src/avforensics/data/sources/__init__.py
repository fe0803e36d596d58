"""Data sets as people have them on disk, each turned into a manifest by one function.

``configs/source/NAME.yaml`` names the function of a set; there is no other list of them.

Every function takes the folder of the set and reads the set's own lists and tables; video files
are not opened. Files that a list names and the disk lacks stay in the manifest, where
`Manifest.coverage` counts them; what cannot become a row is counted in a logged warning.
"""
