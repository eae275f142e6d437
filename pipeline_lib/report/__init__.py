"""Stage ``report``: figures as SVG, each with the table behind it, and a summary of the results.

Every drawing function reads files of earlier stages and writes three: the figure, the table as
TSV, and the table as a page of HTML that opens offline.
"""
