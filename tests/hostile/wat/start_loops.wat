;; Never ends its start function, which runs with every new instance.
(func $begin (loop $again (br $again)))
(start $begin)
