"""Maps of GFS1 and GFS2 images: what each block is used for, drawn as SVG or PNG."""
