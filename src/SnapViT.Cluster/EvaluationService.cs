using Microsoft.Extensions.Logging;
using Orleans.Runtime.Services;
using Orleans.Services;

namespace SnapViT.Cluster;

/// <summary>Evaluates candidates on the silo that it is asked on: every silo has one.</summary>
internal interface IEvaluationService : IGrainService
{
    /// <summary>Numbers of candidates, in their order.</summary>
    /// <param name="job">The build: see <see cref="ClusterJob.ToText"/>.</param>
    /// <param name="stage">The stage of the build.</param>
    /// <param name="context">What the stage depends on beside the state of the build.</param>
    /// <param name="candidates">What is evaluated.</param>
    /// <returns>The numbers; null where this silo evaluates nothing.</returns>
    Task<double[][]?> Evaluate(string[] job, string stage, double[] context, double[][] candidates);
}

/// <summary>Asks the service of a silo that was chosen.</summary>
internal sealed class EvaluationClient(IServiceProvider services) : GrainServiceClient<IEvaluationService>(services)
{
    /// <inheritdoc cref="IEvaluationService.Evaluate"/>
    /// <param name="silo">Who is asked.</param>
    /// <param name="job">The build.</param>
    /// <param name="work">The stage and what it depends on.</param>
    /// <param name="candidates">What is evaluated.</param>
    public Task<double[][]?> Evaluate(SiloAddress silo, ClusterJob job, Search.CandidateWork work, double[][] candidates) =>
        GetGrainService(silo).Evaluate(job.ToText(), work.Stage, work.Context, candidates);
}

/// <summary>
/// The service: one candidate, or one set of them, after the other, on a thread that is not the silo's. A grain service has its silo in its
/// address, so that the build chooses who is free, and no directory has to agree on where a grain is while silos die.
/// </summary>
/// <param name="id">Given by Orleans.</param>
/// <param name="silo">Given by Orleans.</param>
/// <param name="logging">Given by Orleans.</param>
/// <param name="worker">What evaluates.</param>
internal sealed class EvaluationService(GrainId id, Silo silo, ILoggerFactory logging, CandidateWorker worker)
    : GrainService(id, silo, logging), IEvaluationService
{
    /// <inheritdoc/>
    public Task<double[][]?> Evaluate(string[] job, string stage, double[] context, double[][] candidates) =>
        Task.Run(() => worker.Evaluate(ClusterJob.Parse(job), stage, context, candidates));
}
