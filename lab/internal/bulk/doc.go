// Package bulk measures what large transfers cost beside a bare copy between
// the same two hosts: the kernel's sendfile and splice, or TLS alone.
package bulk
