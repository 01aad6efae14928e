module tombolo

go 1.24
