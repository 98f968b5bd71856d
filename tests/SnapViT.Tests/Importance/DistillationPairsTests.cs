using SnapViT.Importance;

namespace SnapViT.Tests.Importance;

public sealed class DistillationPairsTests
{
    [Fact]
    public void One_pair_counts_as_the_twenty_equal_pairs_of_the_reference()
    {
        Assert.Equal(new float[,] { { 20 } }, DistillationPairs.OnePair.Weights());
        Assert.Equal(1, DistillationPairs.OnePair.StudentViews);
    }

    [Fact]
    public void Two_global_crops_meet_every_other_of_the_twelve_once()
    {
        float[,] weights = DistillationPairs.TwoGlobalTenLocal.Weights();
        Assert.Equal(12, DistillationPairs.TwoGlobalTenLocal.StudentViews);
        Assert.Equal((2, 12), (weights.GetLength(0), weights.GetLength(1)));
        for (int teacher = 0; teacher < 2; teacher++)
        {
            for (int student = 0; student < 12; student++)
            {
                Assert.Equal(teacher == student ? 0 : 1, weights[teacher, student]);
            }
        }
    }

    [Fact]
    public void A_view_that_both_see_is_skipped_wherever_the_student_begins()
    {
        DistillationPairs pairs = new(Views: 4, TeacherViews: 3, FirstStudentView: 1, Weight: 0.5);
        Assert.Equal(new[,] { { 0.5f, 0.5f, 0.5f }, { 0, 0.5f, 0.5f }, { 0.5f, 0, 0.5f } }, pairs.Weights());
    }
}
