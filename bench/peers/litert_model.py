"""TensorFlow Lite in Python, as its documentation shows it: set the inputs, invoke, get the outputs."""
from importlib.metadata import version

from ai_edge_litert.interpreter import Interpreter


class LitertModel:
    name = f"ai-edge-litert {version('ai-edge-litert')}"

    def __init__(self, path, shapes, threads):
        self.interpreter = Interpreter(model_path=path, num_threads=threads)
        details = self.interpreter.get_input_details()
        self.inputs = [each["index"] for each in details]
        for each, shape in zip(details, shapes):
            if list(each["shape"]) != list(shape):
                self.interpreter.resize_tensor_input(each["index"], shape)
        self.outputs = [each["index"] for each in self.interpreter.get_output_details()]
        self.interpreter.allocate_tensors()

    def run(self, values):
        for index, value in zip(self.inputs, values):
            self.interpreter.set_tensor(index, value)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(index) for index in self.outputs]
