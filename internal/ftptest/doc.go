package ftptest
