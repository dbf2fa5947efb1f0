"""Runs aioftp's server with the settings that its argument holds as JSON."""

import asyncio
import json
import logging
import sys

import aioftp

o = json.loads(sys.argv[1])


async def main():
    user = aioftp.User(o["User"], o["Password"], base_path=o["Root"])
    first, last = o["PassivePorts"]
    server = aioftp.Server([user], data_ports=range(first, last + 1))
    await server.run(o["Addr"], o["Port"])


logging.basicConfig(level=logging.INFO, stream=sys.stderr)
asyncio.run(main())
