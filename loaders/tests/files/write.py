"""Writes the table files that the readers' tests read, by astropy: the same three rows in each format.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install astropy==8.0.2 pyarrow && /tmp/v/bin/python loaders/tests/files/write.py
"""

import gzip
import pathlib
import warnings

import numpy as np
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.io.votable.tree import Values
from astropy.table import Column, MaskedColumn, Table

HERE = pathlib.Path(__file__).parent
warnings.simplefilter("ignore")


def table():
    mask = [False, True, False]
    t = Table()
    t["id"] = Column(np.array([1, -(2**63) + 1, 2**63 - 1]), description="A key & more", unit=None)
    t["ra"] = MaskedColumn([10.5, 0.1, np.nan], mask=mask, unit="deg", description="Right ascension")
    t["flux"] = Column(np.array([1.5, -0.1, np.inf], dtype="f4"), unit="nJy")
    t["small"] = MaskedColumn(np.array([-32768, 5, 32767], dtype="i2"), mask=mask)
    t["int"] = MaskedColumn(np.array([-5, 6, 2**31 - 1], dtype="i4"), mask=mask)
    t["byte"] = Column(np.array([0, 7, 255], dtype="u1"))
    t["flag"] = Column(np.array([True, False, True]))
    t["name"] = Column(["a<b", "longer name", "ü"])
    t["vector"] = Column(np.array([[1.0, 2.0], [3.0, 4.0], [-1.5, 1e300]]))
    t["pair"] = Column(np.array([1 + 2j, -3j, 0.5], dtype="c16"))
    t["ra "] = Column([1, 2, 3])  # a name that nobody can type
    return t


def votables():
    for version in ("1.1", "1.2", "1.3", "1.4", "1.5"):
        for form in ("tabledata", "binary", "binary2"):
            if form == "binary2" and version < "1.3":
                continue
            document = from_table(table())
            document.version = version
            first = document.get_first_table()
            first.format = form
            fields = {field.name: field for field in first.fields}
            fields["ra"].ucd = "pos.eq.ra;meta.main"
            for name, null in (("small", 5), ("int", -999)):
                if form != "binary2":
                    fields[name].values = Values(document, fields[name], null=null)
                    first.array[name][1] = null
            document.to_xml(str(HERE / f"{form}-{version}.vot"), tabledata_format=form)
    (HERE / "tabledata-1.4.vot.gz").write_bytes(gzip.compress((HERE / "tabledata-1.4.vot").read_bytes(), mtime=0))


def fits_files():
    t = table()
    t["name"] = ["a<b", "longer name", "u"]  # FITS is ASCII
    t["small"].fill_value = 5
    t["int"].fill_value = -999
    t.write(HERE / "table.fits", overwrite=True)
    columns = [
        fits.Column("u2", "I", bzero=2**15, array=np.array([0, 1, 65535], dtype="u2")),
        fits.Column("u4", "J", bzero=2**31, array=np.array([0, 1, 2**32 - 1], dtype="u4")),
        fits.Column("u8", "K", bzero=2**63, array=np.array([0, 1, 2**64 - 1], dtype="u8")),
        fits.Column("i1", "B", bzero=-128, array=np.array([-128, 0, 127], dtype="i1")),
        fits.Column("scaled", "I", array=np.array([0, 1, -2], dtype="i2")),
        fits.Column("bits", "11X", array=np.array([[1, 0] * 5 + [1], [0] * 11, [1] * 11], dtype=bool)),
        fits.Column("many", "PE()", array=np.array([np.array([1, 2], "f4"), np.array([], "f4"), np.array([3], "f4")], dtype=object)),
        fits.Column("far", "QJ()", array=np.array([np.array([1, 2, 3], "i4"), np.array([-4], "i4"), np.array([], "i4")], dtype=object)),
        fits.Column("bytes", "3B", array=np.array([[1, 2, 3], [4, 5, 6], [7, 8, 255]], dtype="u1")),
        fits.Column("grid", "4J", dim="(2,2)", array=np.arange(12, dtype="i4").reshape(3, 2, 2)),
        fits.Column("text", "5A", array=["abc", "", "de  f"]),
        fits.Column("cplx", "C", array=np.array([1 + 2j, 3, 4j], dtype="c8")),
        fits.Column("nulls", "J", null=-1, array=np.array([1, -1, 3], dtype="i4"), unit="mag"),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="WIDE")
    hdu.header["TUCD13"] = "phot.mag"
    hdu.header["TCOMM13"] = "A magnitude that has a description longer than one card can hold, by far and away"
    # astropy cannot write scaled columns, so the scale goes into the file behind its back.
    hdu.header["XSCAL5"], hdu.header["XZERO5"] = 0.5, 10.0
    wide = HERE / "wide.fits"
    fits.HDUList([fits.PrimaryHDU(np.zeros((10, 10))), fits.ImageHDU(np.zeros(3)), hdu]).writeto(wide, overwrite=True)
    wide.write_bytes(wide.read_bytes().replace(b"XSCAL5  =", b"TSCAL5  =").replace(b"XZERO5  =", b"TZERO5  ="))


def text_files():
    t = table()
    t.remove_columns(["pair"])
    t["ra"].meta["ucd"] = "pos.eq.ra;meta.main"
    t.meta["comment"] = {"nested": [1, 2, {"x": "y"}]}
    t.write(HERE / "table.ecsv", format="ascii.ecsv", overwrite=True)
    t.write(HERE / "comma.ecsv", format="ascii.ecsv", delimiter=",", overwrite=True)


votables()
fits_files()
text_files()
t = table()
t.remove_columns(["pair", "vector"])
known = {name: {"description": t[name].description or "", "unit": str(t[name].unit or "")} for name in t.colnames}
known["ra"]["ucd"] = "pos.eq.ra;meta.main"
t.write(HERE / "table.parquet", format="parquet.votable", metadata=known, overwrite=True)
