using SnapViT.Core.Checkpoints;

namespace SnapViT.Core.Tests.Checkpoints;

public sealed class CheckpointArchiveTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Content_not_the_name_says_what_a_file_is()
    {
        TorchArchiveWriter.WriteStateDict(_folder.File("model.safetensors"), [Tensor("a")]);
        SafetensorsWriter.Write(_folder.File("model.pth"), [Tensor("b")]);
        using ITensorArchive torch = CheckpointArchive.Open(_folder.File("model.safetensors"));
        using ITensorArchive safetensors = CheckpointArchive.Open(_folder.File("model.pth"));
        Assert.Equal("a", torch.Tensors.Single().Key);
        Assert.Equal("b", safetensors.Tensors.Single().Key);
    }

    [Fact]
    public void Pickles_of_old_pytorch_are_refused_as_what_they_are()
    {
        _folder.Put("old.pth", [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]);
        Assert.Contains("found the older one", Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(_folder.File("old.pth"))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("a text file that is no checkpoint")]
    public void Other_files_are_refused(string content)
    {
        _folder.Put("x", System.Text.Encoding.UTF8.GetBytes(content));
        Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(_folder.File("x")));
    }

    [Fact]
    public void A_folder_is_opened_by_the_names_of_the_hub_safetensors_first()
    {
        TorchArchiveWriter.WriteStateDict(_folder.File("pytorch_model.bin"), [Tensor("old")]);
        using (ITensorArchive archive = CheckpointArchive.Open(_folder.Root))
        {
            Assert.Equal("old", archive.Tensors.Single().Key);
        }

        SafetensorsWriter.Write(_folder.File("model.safetensors"), [Tensor("new")]);
        using ITensorArchive safer = CheckpointArchive.Open(_folder.Root);
        Assert.Equal("new", safer.Tensors.Single().Key);
    }

    [Fact]
    public void A_folder_without_weights_is_refused_with_the_names() =>
        Assert.Contains("expected one of model.safetensors, ", Assert.Throws<FileNotFoundException>(() => CheckpointArchive.Open(_folder.Root)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Several_files_with_an_index_are_one_checkpoint(bool torch)
    {
        Write("one", torch, Tensor("a"), Tensor("c"));
        Write("two", torch, Tensor("b"));
        string index = Index("""{"metadata": {"total_size": 24}, "weight_map": {"a": "one", "b": "two", "c": "one"}}""");
        using ITensorArchive archive = CheckpointArchive.Open(index);
        Assert.Equal(["a", "b", "c"], archive.Tensors.Keys);
        Assert.Equal([1, 2], archive.ReadFloats("b"));
        Assert.Equal([_folder.File("one"), _folder.File("two")], CheckpointArchive.Files(index));
    }

    [Theory]
    [InlineData("""{"weight_map": {"a": "../one"}}""", "expected the name of a file beside the index, found '../one'")]
    [InlineData("""{"weight_map": {"a": "/etc/passwd"}}""", "expected the name of a file beside the index")]
    [InlineData("""{"weight_map": {"a": ""}}""", "expected the name of a file beside the index")]
    [InlineData("""{"weight_map": {"a": "one", "c": "one", "b": "absent"}}""", "expected the file 'absent' beside the index, found none")]
    [InlineData("""{"weight_map": {"a": "one", "c": "one", "d": "one"}}""", "tensor 'd': expected it in 'one', found no such tensor")]
    [InlineData("""{"weight_map": {"a": "one"}}""", "tensor 'c': file 'one' holds it, but the index does not say so")]
    [InlineData("""{"weight_map": {"a": "one", "a": "one"}}""", "tensor 'a': the index has it twice")]
    [InlineData("""{"weight_map": {"a": 3}}""", "expected an index {\"weight_map\": {tensor: file}}")]
    [InlineData("""{"weight_map": []}""", "expected an index {\"weight_map\": {tensor: file}}")]
    [InlineData("[1", "expected an index {\"weight_map\": {tensor: file}}")]
    [InlineData("{}", "expected an index {\"weight_map\": {tensor: file}}")]
    public void A_wrong_index_is_refused_in_one_line(string json, string fault)
    {
        Write("one", torch: false, Tensor("a"), Tensor("c"));
        CheckpointFormatException refusal = Assert.Throws<CheckpointFormatException>(() => CheckpointArchive.Open(Index(json)));
        Assert.Contains(fault, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }

    private static TensorToWrite Tensor(string name) => TensorToWrite.From(name, new float[] { 1, 2 }, 2);

    private void Write(string name, bool torch, params TensorToWrite[] tensors)
    {
        if (torch)
        {
            TorchArchiveWriter.WriteStateDict(_folder.File(name), tensors);
        }
        else
        {
            SafetensorsWriter.Write(_folder.File(name), tensors);
        }
    }

    private string Index(string json) => _folder.Put("model.safetensors.index.json", System.Text.Encoding.UTF8.GetBytes(json));
}
