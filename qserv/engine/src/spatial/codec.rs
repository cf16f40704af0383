//! Spatial joins on their way to a worker: the nested loop that they stand for, in DataFusion's own encoding.

use std::sync::Arc;

use datafusion::common::{Result, exec_datafusion_err, internal_err, not_impl_err};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion_proto::physical_plan::{
    PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension,
};
use datafusion_proto::protobuf::PhysicalPlanNode;
use prost::Message;

use super::exec::{Reach, SpatialJoinExec};
use super::replace::rebuilt;

/// Encodes and decodes [`SpatialJoinExec`]: a byte for its reach, then the nested loop over empty inputs.
#[derive(Debug, Default, Clone, Copy)]
pub struct SpatialJoinCodec;

const EVERYTHING: u8 = 0;
const SAME_PARTITION: u8 = 1;

impl PhysicalExtensionCodec for SpatialJoinCodec {
    fn try_decode(
        &self,
        buffer: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let ([reach, encoded @ ..], [left, right]) = (buffer, inputs) else {
            return internal_err!("a spatial join with other than two inputs");
        };
        let reach = match *reach {
            EVERYTHING => Reach::Everything,
            SAME_PARTITION => Reach::SamePartition,
            _ => return internal_err!("a spatial join of another version"),
        };
        let node = PhysicalPlanNode::decode(encoded)
            .map_err(|error| exec_datafusion_err!("a spatial join that cannot be decoded: {error}"))?;
        let context = PhysicalPlanDecodeContext::new(context, self);
        let nested = converter.proto_to_execution_plan(&node, &context)?;
        let Some(nested) = nested.downcast_ref::<NestedLoopJoinExec>() else {
            return internal_err!("a spatial join without a nested loop");
        };
        let nested = rebuilt(nested, Arc::clone(left), Arc::clone(right))?;
        match SpatialJoinExec::of(nested, reach) {
            Some(join) => Ok(Arc::new(join)),
            None => internal_err!("a spatial join whose filter has no spatial condition"),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buffer: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(join) = node.downcast_ref::<SpatialJoinExec>() else {
            return not_impl_err!("{} is no spatial join", node.name());
        };
        let nested = join.nested();
        let empty = |plan: &Arc<dyn ExecutionPlan>| Arc::new(EmptyExec::new(plan.schema())) as Arc<dyn ExecutionPlan>;
        let nested: Arc<dyn ExecutionPlan> = Arc::new(rebuilt(nested, empty(nested.left()), empty(nested.right()))?);
        let encoded = converter.execution_plan_to_proto(&nested, self)?;
        buffer.push(match join.reach() {
            Reach::Everything => EVERYTHING,
            Reach::SamePartition => SAME_PARTITION,
        });
        encoded.encode(buffer).map_err(|error| exec_datafusion_err!("a spatial join cannot be encoded: {error}"))
    }
}
