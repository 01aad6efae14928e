;; Was built against a contract from the far future.
(component
  (instance $nothing)
  (export "tombolo:connector/connector@9.1.4" (instance $nothing))
  (export "tombolo:connector/read@9.1.4" (instance $nothing)))
