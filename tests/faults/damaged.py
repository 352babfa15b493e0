"""Files that announce more than they hold."""

import io
import pickle
import zipfile

import numpy as np


def npy_bytes(shape, descr="<f4", content=b"", version=(1, 0)):
    """An array file of this shape with any content behind its header."""
    file = io.BytesIO()
    writer = {(1, 0): np.lib.format.write_array_header_1_0, (2, 0): np.lib.format.write_array_header_2_0}[version]
    writer(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


def npz_file(path, compression=zipfile.ZIP_DEFLATED, **members):
    """An archive of array files given as bytes; returns its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


class Made:
    """An object that a pickle makes by calling `function` with `values`."""

    def __init__(self, function, *values):
        self.made = function, values

    def __reduce__(self):
        return self.made


def hollow_pickles():
    """Pickles of a few bytes that ask for gigabytes."""
    reconstruct = np._core.multiarray._reconstruct
    return {
        "reconstruct": pickle.dumps(Made(reconstruct, np.ndarray, (10**10,), b"f")),
        "ndarray": pickle.dumps(Made(np.ndarray, (10**10,))),
        "memo": b"\x80\x02}r\xff\xff\xff\x7f.",
        "bytes": b"\x80\x04\x8e" + (10**12).to_bytes(8, "little") + b"abc.",
    }
