"""NFS: procedures, operations and what became of them. RFC 1094 2.2, RFC 1813 3 and 2.6, RFC 7530 13 and 16, RFC 8881 15 and 18, RFC 7862 15."""

from __future__ import annotations

V2 = ("null", "getattr", "setattr", "root", "lookup", "readlink", "read", "writecache", "write", "create", "remove", "rename", "link", "symlink", "mkdir", "rmdir",
      "readdir", "statfs")  # fmt: skip
V3 = ("null", "getattr", "setattr", "lookup", "access", "readlink", "read", "write", "create", "mkdir", "symlink", "mknod", "remove", "rmdir", "rename", "link",
      "readdir", "readdirplus", "fsstat", "fsinfo", "pathconf", "commit")  # fmt: skip
V4 = ("null", "compound")
OPERATIONS = dict(  # of version 4
    enumerate((
        "access", "close", "commit", "create", "delegpurge", "delegreturn", "getattr", "getfh", "link", "lock", "lockt", "locku", "lookup", "lookupp", "nverify",
        "open", "openattr", "open_confirm", "open_downgrade", "putfh", "putpubfh", "putrootfh", "read", "readdir", "readlink", "remove", "rename", "renew",
        "restorefh", "savefh", "secinfo", "setattr", "setclientid", "setclientid_confirm", "verify", "write", "release_lockowner", "backchannel_ctl",
        "bind_conn_to_session", "exchange_id", "create_session", "destroy_session", "free_stateid", "get_dir_delegation", "getdeviceinfo", "getdevicelist",
        "layoutcommit", "layoutget", "layoutreturn", "secinfo_no_name", "sequence", "set_ssv", "test_stateid", "want_delegation", "destroy_clientid",
        "reclaim_complete", "allocate", "copy", "copy_notify", "deallocate", "io_advise", "layouterror", "layoutstats", "offload_cancel", "offload_status",
        "read_plus", "seek", "write_same", "clone", "getxattr", "setxattr", "listxattrs", "removexattr",
    ), 3)
)  # fmt: skip
STATUS = {
    0: "ok", 1: "perm", 2: "noent", 5: "io", 6: "nxio", 13: "access", 17: "exist", 18: "xdev", 19: "nodev", 20: "notdir", 21: "isdir", 22: "inval", 27: "fbig",
    28: "nospc", 30: "rofs", 31: "mlink", 63: "nametoolong", 66: "notempty", 69: "dquot", 70: "stale", 71: "remote", 99: "wflush", 10001: "badhandle",
    10002: "not_sync", 10003: "bad_cookie", 10004: "notsupp", 10005: "toosmall", 10006: "serverfault", 10007: "badtype", 10008: "delay", 10009: "same",
    10010: "denied", 10011: "expired", 10012: "locked", 10013: "grace", 10014: "fhexpired", 10015: "share_denied", 10016: "wrongsec", 10017: "clid_inuse",
    10019: "moved", 10020: "nofilehandle", 10021: "minor_vers_mismatch", 10022: "stale_clientid", 10023: "stale_stateid", 10024: "old_stateid",
    10025: "bad_stateid", 10026: "bad_seqid", 10027: "not_same", 10029: "symlink", 10030: "restorefh", 10032: "attrnotsupp", 10033: "no_grace",
    10036: "badxdr", 10039: "badowner", 10040: "badchar", 10041: "badname", 10044: "op_illegal", 10052: "badsession", 10053: "badslot",
}  # fmt: skip
