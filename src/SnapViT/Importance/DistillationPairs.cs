using SnapViT.Data;

namespace SnapViT.Importance;

/// <summary>
/// Which views of an image are compared: the teacher sees the first views, the student the last ones, and every pair of a teacher's and
/// another, student's view has one weight in the loss.
/// </summary>
/// <param name="Views">Views of one image, V; a batch of crops is [B, V, 3, S, S].</param>
/// <param name="TeacherViews">How many of the first views the teacher sees, T.</param>
/// <param name="FirstStudentView">The first view that the student sees; it sees all from there on.</param>
/// <param name="Weight">Weight of every pair.</param>
internal sealed record DistillationPairs(int Views, int TeacherViews, int FirstStudentView, double Weight)
{
    /// <summary>
    /// One global and one local crop per image. In the reference all global crops of an image are the same crop, and all local ones, and
    /// where student and teacher see the same crop the gradient is zero: 20 equal pairs remain, hence the weight.
    /// </summary>
    public static DistillationPairs OnePair { get; } = new(Views: 2, TeacherViews: 1, FirstStudentView: 1, Weight: 20);

    /// <summary>
    /// The paper's protocol: 2 global and 10 local crops, all independent; the teacher sees the global ones, the student all.
    /// </summary>
    public static DistillationPairs TwoGlobalTenLocal { get; } = new(Views: 12, TeacherViews: 2, FirstStudentView: 0, Weight: 1);

    /// <summary>What a protocol compares.</summary>
    public static DistillationPairs Of(CropProtocol crops) => crops == CropProtocol.Reference ? OnePair : TwoGlobalTenLocal;

    /// <summary>Views that the student sees.</summary>
    public int StudentViews => Views - FirstStudentView;

    /// <summary>Weights [T, student views]; 0 where teacher and student would see the same view.</summary>
    public float[,] Weights()
    {
        float[,] weights = new float[TeacherViews, StudentViews];
        for (int teacher = 0; teacher < TeacherViews; teacher++)
        {
            for (int student = 0; student < StudentViews; student++)
            {
                weights[teacher, student] = teacher == student + FirstStudentView ? 0 : (float)Weight;
            }
        }

        return weights;
    }
}
