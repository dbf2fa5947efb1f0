// Package bulk measures what large transfers cost beside a bare copy at the same
// server: the kernel's sendfile and splice, or TLS, with as little of FTP as a
// transfer takes.
package bulk
