;; Was built against a contract before the first.
(component
  (instance $nothing)
  (export "tombolo:connector/connector@0.0.9" (instance $nothing))
  (export "tombolo:connector/read@0.0.9" (instance $nothing)))
