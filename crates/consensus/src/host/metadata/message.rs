//! What nodes ask each other about the catalog, and what they answer.

use bytes::Bytes;
use varve_types::{LogIndex, NodeId, ShardId};

use super::{Admission, JoinRequest};
use crate::catalog::{CatalogNews, CatalogReply, ClusterId, DiskId, NodeCard};
use crate::codec::{CodecError, Reader, Writer};
use crate::driver::{MoreReport, NodeReport};

/// From 2 on as the rest of what a cluster of many nodes says.
const VERSION: u8 = 2;

/// A question about the catalog, to any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetadataRequest {
    /// What the node's replicas are doing: for the node that leads the metadata group.
    Report,
    /// Propose this command, if you lead the metadata group.
    Change(Bytes),
    /// An index such that a catalog which has it shows all changes made before; if you lead.
    Index,
    /// What is new in the catalog to one who knows all up to here. It may take a while.
    Watch(Option<LogIndex>),
    /// Take this node in, if you lead.
    Admit(JoinRequest),
    /// Roll a shard over, if you lead.
    Roll(ShardId),
    /// The report with all that came to it later. A node of a version that does not know of it
    /// answers an error, and [`MetadataRequest::Report`] as ever.
    FullReport,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetadataReply {
    Report(NodeReport),
    /// What applying the command answered, and the index that it has in the log.
    Changed(LogIndex, CatalogReply),
    Index(Option<LogIndex>),
    News(Option<CatalogNews>),
    Admitted(Admission),
    /// The joiner must change something before it asks again.
    Rejected(String),
    Done,
    /// Somebody else leads the metadata group, as far as this node knows.
    NotLeader(Option<NodeId>),
    /// It did not work, and may when it is tried again.
    Failed(String),
}

impl MetadataRequest {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Report => writer.u8(1),
            Self::Change(command) => {
                writer.u8(2);
                writer.bytes(command);
            }
            Self::Index => writer.u8(3),
            Self::Watch(known) => {
                writer.u8(4);
                writer.option(*known, |writer, index| writer.u64(index.get()));
            }
            Self::Admit(request) => {
                writer.u8(5);
                request.write(&mut writer);
            }
            Self::Roll(shard) => {
                writer.u8(6);
                writer.u64(shard.get());
            }
            Self::FullReport => writer.u8(7),
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("metadata request", VERSION, bytes)?;
        let request = match reader.u8()? {
            1 => Self::Report,
            2 => Self::Change(reader.bytes()?),
            3 => Self::Index,
            4 => Self::Watch(reader.option(|reader| reader.u64().map(LogIndex))?),
            5 => Self::Admit(JoinRequest::read(&mut reader)?),
            6 => Self::Roll(ShardId(reader.u64()?)),
            7 => Self::FullReport,
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(request)
    }
}

impl MetadataReply {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::new(VERSION);
        match self {
            Self::Report(report) => {
                writer.u8(if report.more.is_some() { 10 } else { 1 });
                if let Some(more) = &report.more {
                    more.write(&mut writer);
                }
                report.write(&mut writer);
            }
            Self::Changed(index, reply) => {
                writer.u8(2);
                writer.u64(index.get());
                match reply {
                    CatalogReply::Done => writer.u8(1),
                    CatalogReply::Node(node) => {
                        writer.u8(2);
                        writer.u64(node.get());
                    }
                    CatalogReply::Refused(why) => {
                        writer.u8(3);
                        writer.bytes(why.as_bytes());
                    }
                }
            }
            Self::Index(index) => {
                writer.u8(3);
                writer.option(*index, |writer, index| writer.u64(index.get()));
            }
            Self::News(news) => {
                writer.u8(4);
                writer.option(news.as_ref(), |writer, news| writer.bytes(&news.encode()));
            }
            Self::Admitted(admission) => {
                writer.u8(5);
                admission.write(&mut writer);
            }
            Self::Rejected(why) => {
                writer.u8(6);
                writer.bytes(why.as_bytes());
            }
            Self::Done => writer.u8(7),
            Self::NotLeader(leader) => {
                writer.u8(8);
                writer.option(*leader, |writer, node| writer.u64(node.get()));
            }
            Self::Failed(why) => {
                writer.u8(9);
                writer.bytes(why.as_bytes());
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Reader::new("metadata reply", VERSION, bytes)?;
        let reply = match reader.u8()? {
            1 => Self::Report(NodeReport::read(&mut reader)?),
            2 => {
                let index = LogIndex(reader.u64()?);
                let reply = match reader.u8()? {
                    1 => CatalogReply::Done,
                    2 => CatalogReply::Node(NodeId(reader.u64()?)),
                    3 => CatalogReply::Refused(reader.string("reason")?),
                    _ => return Err(reader.impossible("catalog reply")),
                };
                Self::Changed(index, reply)
            }
            3 => Self::Index(reader.option(|reader| reader.u64().map(LogIndex))?),
            4 => Self::News(reader.option(|reader| CatalogNews::decode(reader.bytes()?))?),
            5 => Self::Admitted(Admission::read(&mut reader)?),
            6 => Self::Rejected(reader.string("reason")?),
            7 => Self::Done,
            8 => Self::NotLeader(reader.option(|reader| reader.u64().map(NodeId))?),
            9 => Self::Failed(reader.string("reason")?),
            10 => {
                let more = Some(MoreReport::read(&mut reader)?);
                Self::Report(NodeReport { more, ..NodeReport::read(&mut reader)? })
            }
            _ => return Err(reader.impossible("kind")),
        };
        reader.end()?;
        Ok(reply)
    }
}

impl JoinRequest {
    fn write(&self, writer: &mut Writer) {
        writer.option(self.cluster, |writer, cluster| writer.u128(cluster.0));
        let Self { disk, address, zone, version, .. } = self.clone();
        NodeCard { disk, address, zone, version }.write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        let cluster = reader.option(|reader| reader.u128().map(ClusterId))?;
        let NodeCard { disk, address, zone, version } = NodeCard::read(reader)?;
        Ok(Self { cluster, disk, address, zone, version })
    }
}

impl Admission {
    fn write(&self, writer: &mut Writer) {
        writer.u128(self.cluster.0);
        writer.u64(self.node.get());
        writer.u128(self.disk.0);
        writer.bytes(&self.catalog);
    }

    fn read(reader: &mut Reader) -> Result<Self, CodecError> {
        Ok(Self {
            cluster: ClusterId(reader.u128()?),
            node: NodeId(reader.u64()?),
            disk: DiskId(reader.u128()?),
            catalog: reader.bytes()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use varve_types::TimestampNs;

    use super::*;

    #[test]
    fn a_report_says_more_only_to_those_who_ask_for_it() {
        assert_eq!(MetadataRequest::Report.encode()[..], [2, 1]);
        assert_eq!(MetadataRequest::FullReport.encode()[..], [2, 7]);
        for request in [MetadataRequest::Report, MetadataRequest::FullReport] {
            assert_eq!(MetadataRequest::decode(request.encode()), Ok(request));
        }
        let plain = NodeReport { stopping: true, ..NodeReport::default() };
        let more = MoreReport { clock: TimestampNs(-5), differing: vec![ShardId(7), ShardId(9)] };
        let full = NodeReport { more: Some(more), ..plain.clone() };
        for (report, kind) in [(plain, 1), (full, 10)] {
            let bytes = MetadataReply::Report(report.clone()).encode();
            assert_eq!(bytes[..2], [2, kind]);
            assert_eq!(MetadataReply::decode(bytes.clone()), Ok(MetadataReply::Report(report)));
            for end in 0..bytes.len() {
                MetadataReply::decode(bytes.slice(..end)).unwrap_err();
            }
        }
    }
}
