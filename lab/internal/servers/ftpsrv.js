// Runs ftp-srv with the settings that its argument holds as JSON.
const {FtpSrv} = require('ftp-srv');

const o = JSON.parse(process.argv[1]);
const server = new FtpSrv({
  url: `ftp://${o.Addr}:${o.Port}`,
  pasv_url: o.Addr,
  pasv_min: o.PassivePorts[0],
  pasv_max: o.PassivePorts[1],
});
server.on('login', ({username, password}, resolve, reject) => {
  if (username === o.User && password === o.Password) resolve({root: o.Root});
  else reject(new Error('no such login'));
});
server.listen();
