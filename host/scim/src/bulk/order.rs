//! In which order the operations can be done.
//!
//! The request's order is kept where it can be: of what is ready, the first comes first. An operation is ready when
//! everything that it names is made, and when what stands before it about the same resource is done.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::operation::{Item, Method};
use super::reference;

/// One step: an operation, or the PATCH that adds to its resource what had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Do(usize),
    Link(usize),
}

/// The steps, and for each operation the `bulkId`s that it is created without.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) later: HashMap<usize, BTreeSet<String>>,
}

pub(super) fn plan(items: &[Item]) -> Plan {
    let makers = reference::makers(items);
    let names: Vec<BTreeSet<String>> = items
        .iter()
        .map(|item| match &item.work {
            Ok(work) => reference::names(work, &makers),
            Err(_) => BTreeSet::new(),
        })
        .collect();
    let needs: Vec<Vec<usize>> = names
        .iter()
        .map(|names| {
            names
                .iter()
                .filter_map(|name| makers.get(name).copied())
                .collect()
        })
        .collect();
    let circle = circles(&needs);

    let mut later: HashMap<usize, BTreeSet<String>> = HashMap::new();
    // Of a circle the first one is made without the rest, and so on.
    for (index, names) in names.iter().enumerate() {
        for name in names {
            let Some(maker) = makers.get(name) else {
                continue;
            };
            if circle[*maker] == circle[index] && *maker >= index {
                later.entry(index).or_default().insert(name.clone());
            }
        }
    }

    let mut graph = Graph::new(items.len());
    for (index, names) in names.iter().enumerate() {
        for name in names {
            let Some(maker) = makers.get(name) else {
                continue;
            };
            let waits = later.get(&index).is_some_and(|later| later.contains(name));
            graph.after(*maker, if waits { graph.link(index) } else { index });
        }
        if later.contains_key(&index) {
            graph.after(index, graph.link(index));
        }
    }
    // Whom an operation is about, and what was last done about him.
    let mut last: HashMap<(String, String), usize> = HashMap::new();
    for (name, maker) in &makers {
        if let Ok(work) = &items[*maker].work {
            let made = if later.contains_key(maker) {
                graph.link(*maker)
            } else {
                *maker
            };
            let id = format!("{}{name}", reference::PREFIX);
            last.insert((work.endpoint.to_ascii_lowercase(), id), made);
        }
    }
    for (index, item) in items.iter().enumerate() {
        if let Ok(work) = &item.work
            && work.method != Method::Post
            && let Some(id) = &work.id
        {
            let whom = (work.endpoint.to_ascii_lowercase(), id.clone());
            if let Some(before) = last.insert(whom, index) {
                graph.after(before, index);
            }
        }
    }
    let steps = graph.sorted(|link| later.contains_key(&link));
    Plan { steps, later }
}

/// Who waits for whom: nodes are the operations, and behind them the links.
struct Graph {
    count: usize,
    followers: Vec<Vec<usize>>,
    waits_for: Vec<usize>,
}

impl Graph {
    fn new(count: usize) -> Self {
        Self {
            count,
            followers: vec![Vec::new(); 2 * count],
            waits_for: vec![0; 2 * count],
        }
    }

    fn link(&self, index: usize) -> usize {
        self.count + index
    }

    fn after(&mut self, first: usize, then: usize) {
        self.followers[first].push(then);
        self.waits_for[then] += 1;
    }

    fn sorted(mut self, has_link: impl Fn(usize) -> bool) -> Vec<Step> {
        let step = |node: usize| match node.checked_sub(self.count) {
            Some(index) => (index, Step::Link(index)),
            None => (node, Step::Do(node)),
        };
        let mut ready: BinaryHeap<Reverse<(usize, Step, usize)>> = (0..2 * self.count)
            .filter(|node| self.waits_for[*node] == 0)
            .filter(|node| *node < self.count || has_link(*node - self.count))
            .map(|node| Reverse((step(node).0, step(node).1, node)))
            .collect();
        let mut steps = Vec::with_capacity(self.count);
        while let Some(Reverse((_, done, node))) = ready.pop() {
            steps.push(done);
            for then in &self.followers[node] {
                self.waits_for[*then] -= 1;
                if self.waits_for[*then] == 0 {
                    ready.push(Reverse((step(*then).0, step(*then).1, *then)));
                }
            }
        }
        steps
    }
}

/// For each operation the number of its circle (Tarjan's strongly connected components, without recursion). One that is
/// in none is alone in its own.
fn circles(needs: &[Vec<usize>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let count = needs.len();
    let (mut seen, mut low, mut circle) =
        (vec![UNSEEN; count], vec![0; count], vec![UNSEEN; count]);
    let (mut open, mut next, mut found) = (Vec::new(), 0, 0);
    for root in 0..count {
        if seen[root] != UNSEEN {
            continue;
        }
        let mut path = vec![(root, 0)];
        while let Some((node, edge)) = path.pop() {
            if edge == 0 {
                seen[node] = next;
                low[node] = next;
                next += 1;
                open.push(node);
            } else {
                let child = needs[node][edge - 1];
                if circle[child] == UNSEEN {
                    low[node] = low[node].min(low[child]);
                }
            }
            if let Some(child) = needs[node].get(edge) {
                path.push((node, edge + 1));
                if seen[*child] == UNSEEN {
                    path.push((*child, 0));
                } else if circle[*child] == UNSEEN {
                    low[node] = low[node].min(seen[*child]);
                }
                continue;
            }
            if low[node] == seen[node] {
                while let Some(member) = open.pop() {
                    circle[member] = found;
                    if member == node {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    circle
}
