// Package lab tests ftpnat against real FTP servers behind real NATs and
// firewalls: the kernel's own, in network namespaces. README.md tells how to
// run it.
package lab
