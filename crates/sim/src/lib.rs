//! Many nodes, one seed: virtual time, links, and what goes wrong.
//!
//! Nothing here knows an optimisation problem, nor how an agreement works: whoever takes
//! part is a [`cosmosmesh_node::node::Node`], and this crate carries its frames in contact
//! windows, with light time and rate ([`network`]), lets time pass ([`agreement`]), and
//! lets nodes and frames come to grief ([`upset`]).

pub mod agreement;
pub mod network;
pub mod upset;
