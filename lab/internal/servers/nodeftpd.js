// Runs ftpd with the settings that its argument holds as JSON.
const {FtpServer} = require('ftpd');

const o = JSON.parse(process.argv[1]);
const server = new FtpServer(o.Addr, {
  getInitialCwd: () => '/',
  getRoot: () => o.Root,
  pasvPortRangeStart: o.PassivePorts[0],
  pasvPortRangeEnd: o.PassivePorts[1],
});
server.on('error', (err) => console.error(err));
server.on('client:connected', (client) => {
  let name;
  client.on('command:user', (user, success) => { name = user; success(); });
  client.on('command:pass', (password, success, failure) => {
    if (name === o.User && password === o.Password) success(name);
    else failure();
  });
});
server.listen(o.Port);
