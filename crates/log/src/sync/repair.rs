//! The part of a meeting that compares sets by sketches.

use std::collections::BTreeSet;

use super::estimate::{Counters, symbols_for};
use super::message::{Message, Scope};
use super::session::{Session, SyncError};
use super::sketch::{self, MAX_SYMBOLS, SYMBOL_BYTES, Salt, ShortId, Shortener, Symbol};
use crate::log::{EntryIx, Log};

/// How often one meeting compares sets, by sketches or by what is wanted: each time
/// costs a pass over all entries.
const MAX_SKETCHES: u32 = 8;

/// What was asked for, and what came of it.
#[derive(Debug)]
pub(crate) struct Asked {
    scope: Scope,
    theirs: Vec<Symbol>,
    wanted: Option<BTreeSet<ShortId>>,
}

impl Session {
    fn shortener(&self) -> Shortener {
        Shortener::new(self.options.salt)
    }

    pub(super) fn ask(&mut self, log: &Log, scope: Scope) {
        let ids: Vec<_> = in_scope(log, &scope).map(|ix| log.id(ix)).collect();
        let counters = Counters::of(&self.shortener(), &ids);
        self.out.push_back(Message::Estimate(
            self.options.salt,
            scope.clone(),
            counters,
        ));
        self.asked = Some(Asked {
            scope,
            theirs: Vec::new(),
            wanted: None,
        });
    }

    pub(super) fn serve_estimate(
        &mut self,
        log: &Log,
        salt: Salt,
        scope: Scope,
        theirs: &Counters,
    ) -> Result<(), SyncError> {
        let ids: Vec<_> = in_scope(log, &scope).map(|ix| log.id(ix)).collect();
        let ours = Counters::of(&Shortener::new(salt), &ids);
        let symbols = symbols_for(ours.difference(theirs));
        self.serve_sketch(log, salt, scope, 0, symbols)
    }

    pub(super) fn serve_sketch(
        &mut self,
        log: &Log,
        salt: Salt,
        scope: Scope,
        from: usize,
        to: usize,
    ) -> Result<(), SyncError> {
        self.sketches += 1;
        if self.sketches > MAX_SKETCHES || from > MAX_SYMBOLS {
            return Err(SyncError::Unexpected("asks for sketches too often"));
        }
        let room = self.left_bytes / SYMBOL_BYTES;
        let to = to.min(MAX_SYMBOLS).min(from + room);
        if to <= from {
            self.cut = true;
            self.settle(false, true);
            return Ok(());
        }
        self.left_bytes -= (to - from) * SYMBOL_BYTES;
        let shortener = Shortener::new(salt);
        let set = in_scope(log, &scope).map(|ix| shortener.shorten(&log.id(ix)));
        let symbols = sketch::symbols(&shortener, set, from, to);
        self.out
            .push_back(Message::Sketch(salt, scope, from as u32, symbols));
        Ok(())
    }

    pub(super) fn take_sketch(
        &mut self,
        log: &Log,
        scope: &Scope,
        from: usize,
        symbols: Vec<Symbol>,
    ) -> Result<(), SyncError> {
        let shortener = self.shortener();
        let Some(asked) = &mut self.asked else {
            return Err(SyncError::Unexpected("a sketch that was not asked for"));
        };
        if asked.scope != *scope
            || asked.theirs.len() != from
            || asked.wanted.is_some()
            || from + symbols.len() > MAX_SYMBOLS
        {
            return Err(SyncError::Unexpected("a sketch that was not asked for"));
        }
        asked.theirs.extend(symbols);
        let mut shorts: Vec<(ShortId, EntryIx)> = in_scope(log, scope)
            .map(|ix| (shortener.shorten(&log.id(ix)), ix))
            .collect();
        shorts.sort_unstable();
        let have = asked.theirs.len();
        let set = shorts.iter().map(|(short, _)| *short);
        let ours = sketch::symbols(&shortener, set, 0, have);
        let Some(found) = sketch::difference(&shortener, &ours, &asked.theirs) else {
            self.sketches += 1;
            if self.sketches > MAX_SKETCHES || have >= MAX_SYMBOLS {
                self.settle(false, false);
                return Ok(());
            }
            self.out
                .push_back(Message::More(self.options.salt, scope.clone(), have as u32));
            return Ok(());
        };
        let (mut lacks, mut wanted) = (BTreeSet::new(), BTreeSet::new());
        for short in found {
            match shorts.binary_search_by_key(&short, |(short, _)| *short) {
                Ok(at) => drop(lacks.insert(shorts[at].1)),
                Err(_) => drop(wanted.insert(short)),
            }
        }
        asked.wanted = Some(wanted.clone());
        let entries = self.within_budget(log, &lacks);
        self.out.extend(entries);
        // Also when nothing is wanted: then it says that the sketch was enough.
        let wanted: BTreeSet<u32> = wanted.into_iter().map(ShortId::start).collect();
        let wanted = wanted.into_iter().collect();
        self.out
            .push_back(Message::Want(self.options.salt, scope.clone(), wanted));
        Ok(())
    }

    pub(super) fn serve_want(
        &mut self,
        log: &Log,
        salt: Salt,
        scope: &Scope,
        wanted: &[u32],
    ) -> Result<(), SyncError> {
        self.sketches += 1;
        if self.sketches > MAX_SKETCHES {
            return Err(SyncError::Unexpected("asks for entries too often"));
        }
        let shortener = Shortener::new(salt);
        let start = |ix: &EntryIx| shortener.shorten(&log.id(*ix)).start();
        let is_wanted = |ix: &EntryIx| wanted.binary_search(&start(ix));
        let lacks = in_scope(log, scope)
            .filter(|ix| is_wanted(ix).is_ok())
            .collect();
        let entries = self.within_budget(log, &lacks);
        self.out.extend(entries);
        self.settle(true, false);
        Ok(())
    }

    /// When all that was asked for has come.
    pub(super) fn end_of_repair(&mut self, log: &Log) {
        let shortener = self.shortener();
        let Some(Asked {
            scope,
            wanted: Some(wanted),
            ..
        }) = &mut self.asked
        else {
            return;
        };
        if !wanted.is_empty() {
            for ix in in_scope(log, scope) {
                wanted.remove(&shortener.shorten(&log.id(ix)));
            }
        }
        if wanted.is_empty() {
            self.asked = None;
            self.settle(true, false);
        }
    }
}

fn in_scope<'l>(log: &'l Log, scope: &'l Scope) -> impl Iterator<Item = EntryIx> + 'l {
    let all = (0..log.len() as u32).map(EntryIx);
    all.filter(|ix| scope.0.is_empty() || scope.0.binary_search(&log.author(*ix)).is_ok())
}
