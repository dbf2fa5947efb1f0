// Package ftpnat is an FTP client that gets through.
package ftpnat
