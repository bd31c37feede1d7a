"""The champion's architecture: a small bottleneck network in Keras on TensorFlow.

Narrow 3 x 3 convolutions between 1 x 1 ones: TensorFlow on a CPU takes twice PyTorch's time for a
wide one. As in the other arm, a strided stem, and the average and the maximum over the film
before the classifier (reference: ml.md). Stock layers only, so that a version loads without
source code of ours.
"""

import os
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
from ml.training import Batches, Recipe, Watch

_PREDICTED_AT_ONCE = 256
_NORM_MOMENTUM = 0.9  # Keras' .99 would not settle within an epoch of 36 batches


def build(
    image_size: int,
    widths: tuple[int, int, int] = (32, 64, 128),
    bottleneck: int = 64,
    blocks: int = 2,
) -> keras.Model:
    """Images [n, h, w, 1] in [0, 1] to probabilities of PNEUMONIA [n, 1]."""
    narrow, middle, wide = widths
    images = keras.Input((image_size, image_size, 1), name="images")
    x = _convolution_block(images, narrow, kernel=5, stride=2)
    x = _convolution_block(x, middle)
    x = layers.MaxPooling2D()(x)
    x = _convolution_block(x, wide)
    for _ in range(blocks):
        x = _bottleneck_block(x, wide, bottleneck)
    pooled = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    )
    probability = layers.Dense(1, activation="sigmoid", name="probability")(pooled)
    return keras.Model(images, probability, name="bottleneck_classifier")


def _convolution(x: Any, channels: int, kernel: int, stride: int = 1) -> Any:
    x = layers.Conv2D(channels, kernel, strides=stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=_NORM_MOMENTUM)(x)


def _convolution_block(x: Any, channels: int, kernel: int = 3, stride: int = 1) -> Any:
    return layers.ReLU()(_convolution(x, channels, kernel, stride))


def _bottleneck_block(x: Any, channels: int, bottleneck: int) -> Any:
    y = _convolution_block(x, bottleneck, kernel=1)
    y = _convolution_block(y, bottleneck)
    return layers.ReLU()(layers.Add()([x, _convolution(y, channels, kernel=1)]))


class Network:
    """The bottleneck classifier with its training; see `ml.training.Network`."""

    def __init__(self, image_size: int, seed: int) -> None:
        keras.utils.set_random_seed(seed)
        tf.config.experimental.enable_op_determinism()
        self.model = build(image_size)

    @property
    def parameters(self) -> int:
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    def fit(self, batches: Batches, recipe: Recipe, watch: Watch) -> None:
        self.model.compile(
            optimizer=_adamw(recipe),
            loss=keras.losses.BinaryCrossentropy(),
            jit_compile=False,  # compiling takes longer than it saves in so short a training
        )
        self.model.fit(
            _Films(batches),
            epochs=recipe.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[
                _Schedule(batches, recipe),
                # Before the watch: it judges the averaged weights, which are also what is kept.
                keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
                _Watched(batches, watch, self.predict),
            ],
        )

    def predict(self, images: Images) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = self.model.predict(
            images, batch_size=_PREDICTED_AT_ONCE, verbose=0
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


class _Films(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch after the other, as Keras asks for them."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self._batches = batches
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], ...]:
        return tuple(self._batches.batch(self._epoch, index))

    def on_epoch_end(self) -> None:
        self._epoch += 1


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
