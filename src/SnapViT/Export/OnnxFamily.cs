using SnapViT.Core.Architecture;
using SnapViT.Core.Checkpoints;
using SnapViT.Core.Errors;
using SnapViT.Core.Planning;
using SnapViT.Elastic;
using SnapViT.Loading;
using SnapViT.Models;
using SnapViT.Onnx;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Export;

/// <summary>A sub-network of a family.</summary>
/// <param name="Name">Its graph's file without <c>.onnx</c>.</param>
/// <param name="Model">The sub-network.</param>
/// <param name="Plan">What it keeps and costs.</param>
/// <param name="Config">What its graph says about itself.</param>
internal sealed record OnnxFamilySubnet(string Name, VisionTransformer Model, SubnetPlan Plan, ModelConfig Config);

/// <summary>
/// One model at many sizes as ONNX: the weights once, in importance order, in one file, and a small graph per budget whose tensors are the
/// first rows of those. What a sub-network does not share, since it was corrected for its budget, stands in a file of its own beside its
/// graph.
/// </summary>
internal static class OnnxFamily
{
    /// <summary>Writes a family.</summary>
    /// <param name="folder">The folder to write: new or empty; it is complete or not there.</param>
    /// <param name="whole">The whole model in importance order.</param>
    /// <param name="subnets">Its sub-networks; taken one by one, and the caller's to dispose.</param>
    /// <param name="options">Precision and outputs; null for the defaults. 8-bit scales are those of the whole model.</param>
    /// <exception cref="ArgumentException">A sub-network is of another model.</exception>
    /// <exception cref="SnapViTException">A name is given twice, or as <see cref="OnnxExport.Save"/>.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public static OnnxFamilyFiles Save(
        string folder, VisionTransformer whole, IEnumerable<OnnxFamilySubnet> subnets, OnnxOptions? options = null)
    {
        options ??= new OnnxOptions();
        OnnxFamilyFiles? files = null;
        AtomicFolder.Write(folder, partial =>
        {
            List<OnnxFamilyMember> members = [];
            AtomicFile.Write(Path.Combine(partial, OnnxFamilyFiles.SharedFile), stream =>
            {
                ExternalTensors shared = new(stream, OnnxFamilyFiles.SharedFile);
                OnnxExport.Build(whole, options, _ => shared);
                foreach (OnnxFamilySubnet subnet in subnets)
                {
                    RequireNew(subnet.Name, members);
                    HashSet<string> own = OwnTensors(whole.Weights, subnet.Model.Weights);
                    members.Add(WriteMember(partial, subnet, options, shared, own));
                }
            });
            long shared = new FileInfo(Path.Combine(partial, OnnxFamilyFiles.SharedFile)).Length;
            files = new OnnxFamilyFiles(OnnxFamilyFiles.SharedFile, shared, members);
            files.Write(partial);
        });
        return files!;
    }

    private static OnnxFamilyMember WriteMember(
        string folder, OnnxFamilySubnet subnet, OnnxOptions options, ExternalTensors shared, HashSet<string> own)
    {
        string graph = subnet.Name + ".onnx", data = graph + OnnxExport.DataSuffix;
        if (own.Count == 0)
        {
            OnnxExport.Write(Path.Combine(folder, graph), OnnxExport.Build(subnet.Model, options, _ => shared), subnet.Config);
            return OnnxFamilyMember.Of(folder, graph, null, subnet.Plan);
        }

        AtomicFile.Write(Path.Combine(folder, data), stream =>
        {
            ExternalTensors beside = new(stream, data);
            OnnxGraph built = OnnxExport.Build(subnet.Model, options, source => own.Contains(source) ? beside : shared);
            OnnxExport.Write(Path.Combine(folder, graph), built, subnet.Config);
        });
        return OnnxFamilyMember.Of(folder, graph, data, subnet.Plan);
    }

    /// <summary>
    /// The tensors of a sub-network that are not the prefix of the whole model's, compared by value: of corrected layers, so of blocks
    /// only.
    /// </summary>
    private static HashSet<string> OwnTensors(ViTWeights whole, ViTWeights subnet)
    {
        using IDisposable frozen = no_grad();
        using ViTWeights prefix = WeightOrder.Prefix(whole, subnet.Widths);
        ParameterSpec[] own = [.. subnet.Table.Where(parameter => !IsSame(parameter, prefix[parameter], subnet[parameter]))];
        return own.FirstOrDefault(parameter => parameter.Block is null) is ParameterSpec foreign
            ? throw new ArgumentException(
                $"subnets: expected sub-networks of the elastic model, found one with another {foreign.Name}", nameof(subnet))
            : [.. own.Select(parameter => parameter.Name)];
    }

    /// <summary>Whether two tensors of a model are the same in all that is read of them: not in what pads rows of heads.</summary>
    private static bool IsSame(ParameterSpec parameter, Tensor a, Tensor b)
    {
        using DisposeScope scope = NewDisposeScope();
        return parameter.Layout.IsHeadMajor ? parameter.HeadRows(a).Equals(parameter.HeadRows(b)) : a.Equals(b);
    }

    private static void RequireNew(string name, List<OnnxFamilyMember> members)
    {
        if (members.Any(member => member.Graph == name + ".onnx"))
        {
            throw new SnapViTException(ErrorKind.Option, $"subnets: expected a name of its own for each, found '{name}' twice");
        }
    }
}
