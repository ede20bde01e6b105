"""Stages that join the packages: each reads files, calls one package, writes files.

The stages are listed in running order, which is also the order to read them in.
"""

from ..core.registry import Entry, Registry

STAGES: Registry[Entry] = Registry(
    "stage",
    (
        Entry("crop", "fiqa.pipeline.crop:Crop", "find, align and (on request) degrade the faces of photos"),
        Entry("part", "fiqa.pipeline.part:Part", "a list of some crops, for what is too slow for all"),
        Entry("embed", "fiqa.pipeline.embed:Embed", "what a recogniser sees in each face"),
        Entry("label", "fiqa.pipeline.label:Label", "quality labels from embeddings and subjects"),
        Entry("froq", "fiqa.pipeline.froq:FindLayers", "the layers that the method froq observes"),
        Entry("score", "fiqa.pipeline.score:Score", "quality scores by a method or a trained model"),
        Entry("best", "fiqa.pipeline.best:Best", "the best frames of each face in a video"),
        Entry("curate", "fiqa.pipeline.curate:Curate", "which images of a data set to keep, and the proof"),
        Entry("explain", "fiqa.pipeline.explain:Explain", "where a face loses quality and why, as a picture"),
        Entry("optimize", "fiqa.pipeline.optimize:Optimize", "improve labels by mated comparisons"),
        Entry("train", "fiqa.pipeline.train:Train", "a quality model from a recogniser and labels"),
        Entry("distil", "fiqa.pipeline.distil:Distil", "a small student from trained models and crops"),
        Entry("export", "fiqa.pipeline.export:Export", "a trained model as one ONNX file with its card"),
        Entry(
            "robustness",
            "fiqa.pipeline.robustness:Robustness",
            "how far scores move that should stay where they are",
        ),
        Entry("verify", "fiqa.pipeline.verify:Verify", "accuracy of a recogniser on a protocol"),
        Entry("compare", "fiqa.pipeline.compare:Compare", "similarities of a benchmark's pairs"),
        Entry("edc", "fiqa.pipeline.edc:Edc", "error versus discard of one table of scores, as JSON"),
        Entry("calibrate", "fiqa.pipeline.calibrate:Calibrate", "which error rate a score foretells"),
        Entry("convert", "fiqa.pipeline.convert:Convert", "scores in the form of another program, or of it"),
        Entry("evaluate", "fiqa.pipeline.evaluate:Evaluate", "error versus discard, tables and a report"),
    ),
)
