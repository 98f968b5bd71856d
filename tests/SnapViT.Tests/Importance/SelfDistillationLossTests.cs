using SnapViT.Importance;
using TorchSharp;
using static TorchSharp.torch;

namespace SnapViT.Tests.Importance;

[LeakCheck]
public sealed class SelfDistillationLossTests
{
    private static readonly DistillationPairs All = DistillationPairs.TwoGlobalTenLocal;

    [Fact]
    public void The_loss_of_an_image_is_the_cross_entropy_of_its_pairs_written_out()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor teacher = Features(3, 2, seed: 1), student = Features(3, 12, seed: 2);
        Tensor loss = SelfDistillationLoss.PerImage(teacher, student, All);
        double[] expected = [.. Enumerable.Range(0, 3).Select(image => (
            from t in Enumerable.Range(0, 2)
            from s in Enumerable.Range(0, 12)
            where s != t
            select CrossEntropy(Vector(teacher, image, t), Vector(student, image, s))).Sum())];
        loss.ShouldBeWithinOfLargest(1e-6, tensor(expected));
    }

    [Fact]
    public void One_pair_weighs_twenty_times_its_cross_entropy()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor teacher = Features(2, 1, seed: 1), student = Features(2, 1, seed: 2);
        double[] expected = [.. Enumerable.Range(0, 2).Select(image => 20 * CrossEntropy(Vector(teacher, image, 0), Vector(student, image, 0)))];
        SelfDistillationLoss.PerImage(teacher, student, DistillationPairs.OnePair).ShouldBeWithinOfLargest(1e-6, tensor(expected));
    }

    [Fact]
    public void The_length_of_a_feature_does_not_matter()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor teacher = Features(2, 2, seed: 1), student = Features(2, 12, seed: 2);
        Tensor loss = SelfDistillationLoss.PerImage(teacher, student, All);
        SelfDistillationLoss.PerImage(teacher * 100, student * 0.01, All).ShouldBeWithinOfLargest(1e-6, loss);
    }

    [Fact]
    public void No_student_has_less_loss_than_one_that_is_the_teacher_and_there_the_gradient_vanishes()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor teacher = Features(4, 1, seed: 1);
        Tensor same = teacher.clone().requires_grad_(true), other = Features(4, 1, seed: 2).requires_grad_(true);
        Tensor least = SelfDistillationLoss.PerImage(teacher, same, DistillationPairs.OnePair);
        Tensor more = SelfDistillationLoss.PerImage(teacher, other, DistillationPairs.OnePair);
        Assert.True((more - least).min().item<float>() > 0);
        (least + more).sum().backward();
        Tensor flat = same.grad!, steep = other.grad!;
        Assert.True(flat.abs().max().item<float>() < 1e-5 * steep.abs().max().item<float>());
    }

    [Fact]
    public void Images_do_not_know_of_each_other()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor teacher = Features(3, 2, seed: 1), student = Features(3, 12, seed: 2), order = tensor(new long[] { 2, 0, 1 });
        Tensor loss = SelfDistillationLoss.PerImage(teacher, student, All);
        SelfDistillationLoss.PerImage(teacher.index_select(0, order), student.index_select(0, order), All)
            .ShouldBeWithinOfLargest(1e-6, loss.index_select(0, order));
    }

    private static Tensor Features(int images, int views, ulong seed) => randn([images, views, 7], generator: new Generator(seed));

    private static double[] Vector(Tensor features, int image, int view) => [.. features[image, view].data<float>().Select(value => (double)value)];

    private static double CrossEntropy(double[] teacher, double[] student) => -Softmax(teacher).Zip(Softmax(student), (p, q) => p * Math.Log(q)).Sum();

    /// <summary>Softmax of a vector of length 1.</summary>
    private static double[] Softmax(double[] feature)
    {
        double norm = Math.Sqrt(feature.Sum(value => value * value));
        double[] powers = [.. feature.Select(value => Math.Exp(value / norm))];
        return [.. powers.Select(power => power / powers.Sum())];
    }
}
