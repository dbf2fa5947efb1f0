"""Runs pyftpdlib with the settings that its argument holds as JSON."""

import json
import logging
import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, ThrottledDTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

o = json.loads(sys.argv[1])

authorizer = DummyAuthorizer()
authorizer.add_user(o["user"], o["password"], o["root"], perm="elradfmwMT")


Base = TLS_FTPHandler if o["certificate"] else FTPHandler


class Handler(Base):
    pass


Handler.authorizer = authorizer
Handler.use_sendfile = o["rate"] == 0
first, last = o["passive_ports"]
Handler.passive_ports = range(first, last + 1)
if o["passive_addr"]:
    Handler.masquerade_address = o["passive_addr"]
if o["refuse_epsv"]:
    Handler.proto_cmds = {k: v for k, v in Base.proto_cmds.items() if k != "EPSV"}
if o["certificate"]:
    Handler.certfile = o["certificate"]
    Handler.tls_control_required = Handler.tls_data_required = True
    Handler.get_ssl_context()  # while it can be read
if o["rate"]:

    class Throttled(ThrottledDTPHandler):
        read_limit = write_limit = o["rate"]

    Handler.dtp_handler = Throttled

exec(o["settings"])
logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(message)s")
server = FTPServer((o["addr"], 21), Handler)
server.max_cons_per_ip = o["max_per_client"]
os.setgroups([])
os.setgid(o["account"])
os.setuid(o["account"])
server.serve_forever()
