;; Exports the interfaces of a connector with nothing in them.
(component
  (instance $nothing)
  (export "tombolo:connector/connector@1.0.0" (instance $nothing))
  (export "tombolo:connector/read@1.0.0" (instance $nothing)))
