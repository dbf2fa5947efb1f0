// Package servers runs the FTP servers and proxies that Debian ships inside
// network namespaces, each with a configuration, an account and a folder of its
// own, so that several run side by side and nothing of the machine is changed.
// The laboratory's install.sh brings their programs.
package servers
