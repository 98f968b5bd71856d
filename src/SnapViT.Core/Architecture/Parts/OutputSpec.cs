namespace SnapViT.Core.Architecture.Parts;

/// <summary>
/// What stands behind the pooled feature: CLIP's projection and the model's own classifiers. Float32 in every model, never pruned.
/// </summary>
internal sealed class OutputSpec
{
    /// <summary>The outputs of a model.</summary>
    public OutputSpec(ViTArchitecture architecture)
    {
        ViTArchitecture a = architecture;
        Projection = a.ProjectionDim > 0 ? LinearSpec.Output(ProjectionName, a.ProjectionDim, a.EmbedDim, bias: false) : null;
        Classifier = a.Classes > 0 ? LinearSpec.Output(ClassifierName, a.Classes, a.EmbedDim) : null;
        DistillationClassifier = a.Classes > 0 && a.Pooling == Pooling.ClassAndDistillation
            ? LinearSpec.Output(DistillationClassifierName, a.Classes, a.EmbedDim)
            : null;
    }

    /// <summary>The name of the projection.</summary>
    public static LayerName ProjectionName { get; } = new("projection");

    /// <summary>The name of the classifier.</summary>
    public static LayerName ClassifierName { get; } = new("head");

    /// <summary>The name of the classifier of the distillation token.</summary>
    public static LayerName DistillationClassifierName { get; } = new("head_dist");

    /// <summary>The projection of the pooled feature: weight [projection width, D]; null where there is none.</summary>
    public LinearSpec? Projection { get; }

    /// <summary>The classifier: weight [classes, D]; null where there is none.</summary>
    public LinearSpec? Classifier { get; }

    /// <summary>The classifier of the distillation token: weight [classes, D]; null where there is none.</summary>
    public LinearSpec? DistillationClassifier { get; }

    /// <summary>The tensors.</summary>
    public IEnumerable<ParameterSpec> Parameters =>
        new[] { Projection, Classifier, DistillationClassifier }.OfType<LinearSpec>().SelectMany(layer => layer.Parameters);
}
