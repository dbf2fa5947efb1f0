module github.com/ftpnat/ftpnat/lab

go 1.26
