"""Runs Twisted's FTP server with the settings that its argument holds as JSON."""

import json
import sys

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.protocols.ftp import FTPFactory, FTPRealm
from twisted.python import filepath, log

o = json.loads(sys.argv[1])


class Realm(FTPRealm):
    def getHomeDirectory(self, avatarId):
        return filepath.FilePath(o["Root"])


log.startLogging(sys.stderr)
users = InMemoryUsernamePasswordDatabaseDontUse()
users.users[o["User"]] = o["Password"]  # as the FTP server asks: not bytes
factory = FTPFactory(Portal(Realm(o["Root"]), [users]))
first, last = o["PassivePorts"]
factory.passivePortRange = range(first, last + 1)
reactor.listenTCP(o["Port"], factory, interface=o["Addr"])
reactor.run()
