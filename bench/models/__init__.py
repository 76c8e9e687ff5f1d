"""The models that are timed: topologies of the literature with seeded weights, and real ones.

`graph`      builds an ONNX graph, node by node
`layers`     groups of nodes that several networks have
`resnet` ..  one network each
`catalogue`  all of them by name: where the file comes from, what goes in
"""
