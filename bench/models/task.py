"""A task that runs its model on a picture, the same one every time but for its brightness."""

import polyvm
from polyvm import np

model = polyvm.model("model.onnx", precision="exact")
picture = np.reshape(np.sin(np.arange(3 * 224 * 224, dtype=np.float32)), (1, 3, 224, 224))


def run(seed: int) -> int:
    """The class that the model is for."""
    return int(np.argmax(model(picture * (1 + seed % 7))))
