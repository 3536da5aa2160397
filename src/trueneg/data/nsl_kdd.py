"""NSL-KDD: flows of a simulated network, normal ones and attacks, with a test file whose attacks are partly new.

Three files: 20 % of the training flows, the test flows, and ``KDDTest-21``, the test flows that most of 21 classifiers
got wrong, on which nothing must be chosen. The last column of the files says how many of those classifiers were right:
it tells the label, so it is never among the features.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from trueneg.core.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FAMILIES", "FILES", "Flows", "read_nsl_kdd"]

FILES = {"train": "KDDTrain+_20Percent.txt", "test": "KDDTest+.txt", "test-21": "KDDTest-21.txt"}
_COLUMNS = (  # noqa: SIM905 - forty names
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot num_failed_logins "
    "logged_in num_compromised root_shell su_attempted num_root num_file_creations num_shells num_access_files "
    "num_outbound_cmds is_host_login is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate "
    "srv_rerror_rate same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count "
    "dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate "
    "dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate"
).split()
_TEXT = {"protocol_type", "service", "flag"}
_BY_FAMILY = {
    "normal": "normal",
    "dos": "back land neptune pod smurf teardrop apache2 mailbomb processtable udpstorm worm",
    "probe": "ipsweep nmap portsweep satan mscan saint",
    "r2l": "ftp_write guess_passwd imap multihop phf spy warezclient warezmaster httptunnel named sendmail "
    "snmpgetattack snmpguess xlock xsnoop",
    "u2r": "buffer_overflow loadmodule perl rootkit ps sqlattack xterm",
}
FAMILIES: dict[str, str] = {kind: family for family, kinds in _BY_FAMILY.items() for kind in kinds.split()}


class Flows(NamedTuple):
    """Flows and what they are.

    ``X`` is an Arrow table of 41 columns, three of them text; ``kind`` (n,) is "normal" or the attack; ``family`` (n,)
    is normal, dos, probe, r2l or u2r.
    """

    X: Any
    kind: NDArray[np.object_]
    family: NDArray[np.object_]


def read_nsl_kdd(path: str | Path, part: Literal["train", "test", "test-21"] | None = None) -> Flows:
    """Read flows of NSL-KDD.

    Parameters
    ----------
    path : str or Path
        The folder of the set, as ``trueneg.data.registry.folder("nsl_kdd")`` gives it, or one file.
    part : {"train", "test", "test-21"} or None, default=None
        Which file of the folder.

    Returns
    -------
    Flows
        In the order of the file.

    Raises
    ------
    InputError
        Where a file is missing or laid out otherwise, or an attack is not known.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv

    path = Path(path)
    if part is not None:
        if part not in FILES:
            msg = f"part={part!r}: choose 'train', 'test' or 'test-21'."
            raise InputError(msg)
        path = path / FILES[part]
    names = [*_COLUMNS, "kind", "difficulty"]
    types = {c: pa.string() if c in _TEXT | {"kind"} else pa.float64() for c in names}
    try:
        table = csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=names),
            convert_options=csv.ConvertOptions(column_types=types),
        )
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{path} is no file of NSL-KDD ({str(error).splitlines()[0]}): 43 cells a line, no header."
        raise InputError(msg) from error
    kind = np.array(table["kind"].to_pylist(), dtype=object)
    strange = sorted(set(kind) - set(FAMILIES))
    if strange:
        msg = f"{path}: no attack of NSL-KDD is called {strange[0]!r}."
        raise InputError(msg)
    family = np.array([FAMILIES[k] for k in kind], dtype=object)
    return Flows(table.select(_COLUMNS), kind, family)
