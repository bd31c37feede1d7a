"""The champion's architecture: a small densely connected network in Keras on TensorFlow.

Every layer sees the features of all before it, through a bottleneck, as in the networks that first
read chest X-rays well (CheXNet, https://doi.org/10.48550/arXiv.1711.05225). As in the other arm, a
strided stem, and the average and the maximum over the film before the classifier
(docs/reference/training.md#architectures). Stock layers only, so that a version loads without
source code of ours.
"""

import ctypes
import os
from collections.abc import Iterator
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
# A machine without a GPU is not an error; TensorFlow reads this when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from ml.data.films import Images
from ml.data.prepared import PreparedImages
from ml.training.fitting import Batch, Batches, Watch
from ml.training.recipe import SMALLEST_VARIANCE, Recipe

_PREDICTED_AT_ONCE = 128
_READ_AT_ONCE = 8 * _PREDICTED_AT_ONCE
# What the recipe's learning rate was measured with: PyTorch's defaults. Keras' own would take
# more than an epoch to settle (momentum) and start from larger weights.
_NORM = {"momentum": 0.9, "epsilon": 1e-5}
_INITIALIZER = {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}


def accelerator() -> str | None:
    """The name of the GPU that TensorFlow computes on; None where it finds none."""
    for gpu in tf.config.list_physical_devices("GPU"):
        return str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name))
    return None


def _use(device: str) -> None:
    """Where TensorFlow computes: it takes a GPU that it sees, and by default all its memory."""
    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu":
        if gpus:
            tf.config.set_visible_devices([], "GPU")
        return
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)


def build(
    image_size: int,
    widths: tuple[int, int] = (32, 64),
    bottleneck: int = 64,
    growth: int = 96,
    depth: int = 2,
) -> keras.Model:
    """Images [n, h, w, 1] in [0, 1] to probabilities of PNEUMONIA [n, 1]."""
    narrow, wide = widths
    images = keras.Input((image_size, image_size, 1), name="images")
    x = layers.LayerNormalization(
        axis=[1, 2, 3], center=False, scale=False, epsilon=SMALLEST_VARIANCE
    )(images)
    x = _convolution_block(x, narrow, kernel=5, stride=2)
    x = _convolution_block(x, wide, stride=2)
    for _ in range(depth):
        new = _convolution_block(_convolution_block(x, bottleneck, kernel=1), growth)
        x = layers.Concatenate()([x, new])
    pooled = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    )
    probability = layers.Dense(1, activation="sigmoid", name="probability")(pooled)
    return keras.Model(images, probability, name="dense_classifier")


def _convolution_block(x: Any, channels: int, kernel: int = 3, stride: int = 1) -> Any:
    """Convolution, batch normalisation, ReLU."""
    x = layers.Conv2D(
        channels,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(**_INITIALIZER),
    )(x)
    return layers.ReLU()(layers.BatchNormalization(**_NORM)(x))


class Network:
    """The dense classifier with its training; see `ml.training.fitting.Network`."""

    def __init__(self, image_size: int, seed: int, device: str = "cpu") -> None:
        _use(device)
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        _keep_freed_memory()
        self.model = build(image_size)

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    def fit(self, batches: Batches, recipe: Recipe, watch: Watch) -> None:
        """Trains; afterwards the network has the averaged weights."""
        self.model.compile(
            optimizer=_adamw(recipe),
            loss=keras.losses.BinaryCrossentropy(),
            jit_compile=False,  # compiling takes longer than it saves in so short a training
        )
        self.model.fit(
            _dataset(batches, recipe),
            epochs=recipe.epochs,
            steps_per_epoch=len(batches),
            shuffle=False,
            verbose=0,
            callbacks=[
                _Schedule(batches, recipe),
                # Before the watch: it judges the averaged weights, which are also what is kept.
                keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
                _Watched(batches, watch, self.predict),
            ],
        )

    def predict(self, images: Images | PreparedImages) -> NDArray[np.float32]:
        """Probabilities of PNEUMONIA [n, 1] for images [n, h, w, 1] in [0, 1]."""
        probabilities: NDArray[np.float32] = np.concatenate(
            [
                self.model.predict(
                    images[start : start + _READ_AT_ONCE], batch_size=_PREDICTED_AT_ONCE, verbose=0
                )
                for start in range(0, len(images), _READ_AT_ONCE)
            ]
        )
        return probabilities

    def log(self, name: str, **contract: Any) -> Any:
        """As a TensorFlow graph: it needs no source code of ours where it is loaded, and answers
        for one image several times faster than Keras' own predict."""
        import mlflow.tensorflow

        return mlflow.tensorflow.log_model(_served(self.model), name=name, **contract)


def _served(model: keras.Model) -> tf.Module:
    """The serving contract: images [n, h, w, 1] in [0, 1] to probabilities [n, 1]."""
    served = tf.Module(name="served")
    served.model = model  # holds the weights
    served.__call__ = tf.function(
        lambda images: model(images, training=False),
        input_signature=[tf.TensorSpec(model.input_shape, tf.float32, name="images")],
    )
    return served


def _keep_freed_memory() -> None:
    """Halves TensorFlow's CPU time: glibc gives its buffers back to the kernel after every step,
    and 270 MB are mapped and zeroed anew in the next (67,000 page faults, measured).

    reference: mallopt(3). Another C library has no such function, or none of these names.
    """
    trim_threshold, top_pad = -1, -2
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 2**28)


def _adamw(recipe: Recipe) -> keras.optimizers.AdamW:
    """No weight decay on norms and biases."""
    optimizer = keras.optimizers.AdamW(
        recipe.peak_learning_rate,
        weight_decay=recipe.weight_decay,
        use_ema=True,
        ema_momentum=recipe.average_decay,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _dataset(batches: Batches, recipe: Recipe) -> tf.data.Dataset:
    """Every batch of every epoch in order; the next is made while one is trained on."""

    def ordered() -> Iterator[Batch]:
        for epoch in range(recipe.epochs):
            for index in range(len(batches)):
                yield batches.batch(epoch, index)

    signature = tuple(
        tf.TensorSpec(array.shape, tf.float32) for array in batches.batch(epoch=0, index=0)
    )
    return tf.data.Dataset.from_generator(ordered, output_signature=signature).prefetch(1)


# Keras hands over `batch`, `epoch` and `logs` by name; what a callback does not need is unused.


class _Schedule(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, batches: Batches, recipe: Recipe) -> None:
        super().__init__()
        self._batches = batches
        self._recipe = recipe
        self._step = 0

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        rate = self._recipe.learning_rate(self._step, self._batches.steps)
        self.model.optimizer.learning_rate = rate
        self._step += 1


class _Watched(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, batches: Batches, watch: Watch, predict: Any) -> None:
        super().__init__()
        self._steps = batches.steps
        self._watch = watch
        self._predict = predict
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002
        self._watch.step(self._epoch, (logs or {})["loss"], self._steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        probabilities = self._predict(self._watch.validation_images)
        self._watch.epoch(epoch, (logs or {})["loss"], probabilities)
