"""Does with Python's ftplib what its argument asks for, a JSON object."""

import concurrent.futures
import ftplib
import json
import ssl
import sys

o = json.loads(sys.argv[1])


def session():
    if o["roots"]:
        context = ssl.create_default_context(cafile=o["roots"])
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        ftp = ftplib.FTP_TLS(o["host"], o["user"], o["password"], context=context)
        ftp.prot_p()
    else:
        ftp = ftplib.FTP(o["host"], o["user"], o["password"])
    ftp.set_pasv(not o["active"])
    return ftp


def download(ftp, names):
    for name in names:
        with open(name, "wb") as f:
            ftp.retrbinary("RETR " + name, f.write)


def upload(ftp, names):
    for name in names:
        with open(name, "rb") as f:
            ftp.storbinary("STOR " + name, f)


def share(names):
    ftp = session()
    download(ftp, names)
    ftp.quit()


def mlsd(ftp, folder):
    for name, facts in ftp.mlsd(folder, ["type"]):
        if facts["type"] in ("dir", "file"):
            yield name, facts["type"] == "dir"


def long_list(ftp, folder):
    lines = []
    ftp.retrlines("LIST -a " + folder, lines.append)
    for line in lines:
        words = line.split(None, 8)
        if words[8] not in (".", ".."):
            yield words[8], line[0] == "d"


def walk(ftp, folder, prefix, lister):
    for name, is_dir in list(lister(ftp, folder)):
        print(prefix + name)
        if is_dir:
            walk(ftp, folder + "/" + name, prefix + name + "/", lister)


if o["conns"] > 1:
    shares = [o["files"][i :: o["conns"]] for i in range(o["conns"])]
    with concurrent.futures.ThreadPoolExecutor(o["conns"]) as pool:
        list(pool.map(share, shares))
    sys.exit()

ftp = session()
if o["walk"]:
    print(".")
    walk(ftp, o["walk"], "", mlsd if o["mlsd"] else long_list)
elif o["upload"]:
    upload(ftp, o["files"])
else:
    download(ftp, o["files"])
ftp.quit()
